//! The forward pass: token ids of one window to one unit vector, over the
//! kernels of `vector`. Knows nothing of texts.

use super::asset::{Asset, INNER, WIDTH, WINDOW};
use crate::vector::{AttentionRoom, Level, Rows, Then};

/// Tokens that go through the feed-forward part together: enough to read its
/// weights seldom, few enough that what lies between its halves stays in the cache.
const FEED: usize = 64;
/// The factors of columns that are quantised as they are.
static ONES: [f32; INNER] = [1.0; INNER];

/// Room for the numbers of one window; it grows to what the longest window so
/// far needed, at most about 2.5 MB, and is used again.
#[derive(Default)]
pub struct Room {
    /// `[tokens][WIDTH]`: the state that every layer adds to.
    state: Vec<f32>,
    /// `[tokens][3 * WIDTH]`
    qkv: Vec<f32>,
    /// `[tokens][WIDTH]`
    mixed: Vec<f32>,
    /// `[FEED][INNER]`
    inner: Vec<f32>,
    rows: Rows,
    attention: AttentionRoom,
}

/// The unit vector of a window of 1 to `WINDOW` tokens, its marks included.
pub fn forward(asset: &Asset, level: Level, ids: &[u16], room: &mut Room) -> Vec<f32> {
    assert!(
        (1..=WINDOW).contains(&ids.len()),
        "a window of {} tokens",
        ids.len()
    );
    room.state.resize(ids.len() * WIDTH, 0.0);
    room.qkv.resize(ids.len() * 3 * WIDTH, 0.0);
    room.mixed.resize(ids.len() * WIDTH, 0.0);
    for (position, (id, out)) in ids
        .iter()
        .zip(room.state.chunks_exact_mut(WIDTH))
        .enumerate()
    {
        asset.embed(*id, position, out);
    }
    level.normalise(&mut room.state, &asset.norm.gain, &asset.norm.shift);
    for layer in &asset.layers {
        level.quantise(&room.state, &asset.calm, &mut room.rows);
        level.dense(&room.rows, &layer.qkv, Then::Write, &mut room.qkv);
        level.attend(&room.qkv, ids.len(), &mut room.attention, &mut room.mixed);
        level.quantise(&room.mixed, &ONES[..WIDTH], &mut room.rows);
        level.dense(&room.rows, &layer.mix, Then::Add, &mut room.state);
        level.normalise(&mut room.state, &layer.mix_norm.gain, &layer.mix_norm.shift);
        for state in room.state.chunks_mut(FEED * WIDTH) {
            room.inner.resize(state.len() / WIDTH * INNER, 0.0);
            level.quantise(state, &asset.calm, &mut room.rows);
            level.dense(&room.rows, &layer.up, Then::Gelu, &mut room.inner);
            level.quantise(&room.inner, &ONES, &mut room.rows);
            level.dense(&room.rows, &layer.down, Then::Add, state);
        }
        level.normalise(
            &mut room.state,
            &layer.down_norm.gain,
            &layer.down_norm.shift,
        );
    }
    pool(level, &room.state)
}

/// The direction of the mean of all tokens.
fn pool(level: Level, state: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; WIDTH];
    for row in state.chunks_exact(WIDTH) {
        for (sum, number) in out.iter_mut().zip(row) {
            *sum += number;
        }
    }
    // The last normalisation's shifts keep the sum away from 0.
    let size = level.dot(&out, &out).sqrt().max(f32::MIN_POSITIVE);
    for number in &mut out {
        *number /= size;
    }
    out
}
