//! Reads the bodies of requests: each within its bound and its time, and all together
//! within a memory budget.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::refusal::Refusal;
use crate::limits::{HTTP_BODY_BYTES_PER_SECOND_MIN, HTTP_BODY_SECONDS_MAX};
use crate::meter::http::{self as meter, RateLimit};

/// The unit of the memory budget.
const KILOBYTE: usize = 1024;

pub(super) struct Bodies {
    bytes_max: usize,
    /// Kilobytes for all bodies.
    memory: Arc<Semaphore>,
}

/// The memory of one body, held until the body is dropped.
pub(super) struct BodyMemory {
    _kilobytes: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    pub(super) fn new(bytes_max: usize, total_bytes_max: usize) -> Bodies {
        Bodies {
            bytes_max,
            memory: Arc::new(Semaphore::new(total_bytes_max / KILOBYTE)),
        }
    }
}

pub(super) async fn read(
    bodies: &Bodies,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Vec<u8>, BodyMemory), Refusal> {
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > bodies.bytes_max) {
        return Err(too_long(bodies.bytes_max));
    }
    let mut deadline = Instant::now() + Duration::from_secs(HTTP_BODY_SECONDS_MAX);
    let mut memory = BodyMemory { _kilobytes: None };
    let mut granted = 0;
    let mut bytes = Vec::new();
    let mut frames = body.into_data_stream();
    loop {
        let frame = match timeout_at(deadline, frames.next()).await {
            Err(_) => return Err(too_slow()),
            Ok(None) => break,
            Ok(Some(Err(error))) => {
                tracing::debug!(%error, "a body was not sent completely");
                let message = "the body ended early";
                return Err(Refusal::new(
                    StatusCode::BAD_REQUEST,
                    "bad_request",
                    message,
                ));
            }
            Ok(Some(Ok(frame))) => frame,
        };
        let needed = bytes.len() + frame.len();
        if needed > bodies.bytes_max {
            return Err(too_long(bodies.bytes_max));
        }
        if needed > granted * KILOBYTE {
            // The announced length is reserved at once, so that two long bodies do not
            // wait for each other half read.
            let wanted = length.unwrap_or(0).max(needed).div_ceil(KILOBYTE);
            let more = u32::try_from(wanted - granted).unwrap_or(u32::MAX);
            let more = timeout_at(deadline, bodies.memory.clone().acquire_many_owned(more)).await;
            let Ok(Ok(more)) = more else {
                meter::RATE_LIMITED.increment(RateLimit::Bodies);
                let message = "the bodies of other requests use up the memory for them";
                return Err(super::unavailable(message));
            };
            granted = wanted;
            match &mut memory._kilobytes {
                Some(kilobytes) => kilobytes.merge(more),
                none => *none = Some(more),
            }
        }
        bytes.extend_from_slice(&frame);
        let earned = frame.len() as f64 / HTTP_BODY_BYTES_PER_SECOND_MIN as f64;
        deadline += Duration::from_secs_f64(earned);
    }
    meter::BODY_BYTES.add((), bytes.len() as u64);
    Ok((bytes, memory))
}

fn too_long(most: usize) -> Refusal {
    let message = format!("a body has at most {most} bytes");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
        .header(header::CONNECTION, "close")
}

fn too_slow() -> Refusal {
    let message = "the body came too slowly";
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message)
        .header(header::CONNECTION, "close")
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::response::IntoResponse;
    use futures::stream::{self, StreamExt as _};

    use super::*;

    /// A body that comes in chunks of a kilobyte, one each `interval`.
    fn slow(chunks: usize, interval: Duration) -> Body {
        let chunks = stream::iter(0..chunks).then(move |_| async move {
            tokio::time::sleep(interval).await;
            Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; KILOBYTE]))
        });
        Body::from_stream(chunks)
    }

    async fn status(bodies: &Bodies, body: Body) -> Result<usize, u16> {
        let read = read(bodies, &HeaderMap::new(), body).await;
        let length = read.map(|(bytes, _)| bytes.len());
        length.map_err(|refusal| refusal.into_response().status().as_u16())
    }

    #[tokio::test(start_paused = true)]
    async fn slow_body_is_refused_and_one_that_moves_is_read() {
        let bodies = Bodies::new(1 << 20, 1 << 20);
        let second = Duration::from_secs(1);
        assert_eq!(status(&bodies, slow(20, second)).await, Ok(20 * KILOBYTE));
        assert_eq!(status(&bodies, slow(100, second)).await, Err(408));
        assert_eq!(status(&bodies, slow(2_000, Duration::ZERO)).await, Err(413));
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_wait_for_the_memory_of_others() {
        let bodies = Bodies::new(1 << 20, 8 * KILOBYTE);
        let first = read(&bodies, &HeaderMap::new(), slow(6, Duration::ZERO)).await;
        let (_, memory) = first.expect("it fits");
        assert_eq!(status(&bodies, slow(4, Duration::ZERO)).await, Err(503));
        drop(memory);
        assert_eq!(
            status(&bodies, slow(4, Duration::ZERO)).await,
            Ok(4 * KILOBYTE)
        );
    }
}
