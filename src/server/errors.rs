//! Failed requests as errors of the protocol.

use rmcp::ErrorData;
use rmcp::model::ErrorCode;
use serde_json::value::RawValue;

use crate::failure::{CallError, Failure};

pub(super) fn call_error(error: &CallError) -> ErrorData {
    match error {
        CallError::Gateway(failure) => gateway_error(failure),
        CallError::Upstream(error) => upstream_error(error),
        CallError::Panicked => defect(),
    }
}

pub(super) fn gateway_error(failure: &Failure) -> ErrorData {
    let code = ErrorCode(failure.kind.json_rpc_code());
    ErrorData::new(code, failure.to_string(), None)
}

/// A skill's JSON-RPC error.
pub(super) fn upstream_error(error: &RawValue) -> ErrorData {
    serde_json::from_str(error.get())
        .unwrap_or_else(|_| ErrorData::internal_error(error.get().to_owned(), None))
}

pub(super) fn defect() -> ErrorData {
    ErrorData::internal_error("internal error in Mimo; its log has the details", None)
}
