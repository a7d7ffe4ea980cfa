//! What went wrong, as errors of the protocol.

use rmcp::ErrorData;
use rmcp::model::ErrorCode;
use serde_json::value::RawValue;

use crate::failure::Failure;

/// A failure of ours.
pub fn refused(failure: &Failure) -> ErrorData {
    let code = ErrorCode(failure.kind.json_rpc_code());
    ErrorData::new(code, failure.to_string(), None)
}

/// Another server's JSON-RPC error.
pub fn theirs(error: &RawValue) -> ErrorData {
    serde_json::from_str(error.get())
        .unwrap_or_else(|_| ErrorData::internal_error(error.get().to_owned(), None))
}

/// What must not happen.
pub fn defect() -> ErrorData {
    ErrorData::internal_error("Mimo met a defect of its own; its log names it", None)
}
