//! An encoder whose model is in a file, as `install/models/pack.py` makes it: a head in
//! JSON, then the sections that `load` reads.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::encoder::{Encoder, Frame};
use super::mapped::map;
use super::sections::{ALIGN, Sections};
use super::transformer::{Transformer, WIDTH, WINDOW, WordVectors};
use super::unigram::Pieces;
use super::{Embedder, NoteWeights};
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::vector::{self, Level};

const MARK: &[u8] = b"mimo model 1";
/// The mark, and the length of the head.
const START_BYTES: usize = 16;
/// The least cosine between a reference vector and ours: the reference has 4-bit
/// weights and f32 states, and two engines that agree differ by less.
const REFERENCE_COSINE_MIN: f32 = 0.98;

/// What a model's file says of itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Head {
    pub(crate) name: String,
    /// A line for people: what it is for.
    pub(crate) about: String,
    pub(crate) license: String,
    /// Of all bytes after the head.
    sha256: String,
    layers: usize,
    pieces: usize,
    slots: usize,
    text_bytes: usize,
    begin: u32,
    end: u32,
    unknown: u32,
    document_prefix: String,
    query_prefix: String,
    note_weights: NoteWeights,
    /// Texts whose vectors as documents the file holds.
    reference: Vec<String>,
}

/// A model in a file. Only its head is read until it encodes.
pub struct ModelFile {
    path: PathBuf,
    head: Head,
    /// Where the sections begin.
    start: usize,
    space: String,
    model: OnceLock<Result<Model, String>>,
}

struct Model {
    pieces: Pieces,
    encoder: Encoder,
    document: Frame,
    query: Frame,
    reference: Vec<Vec<f32>>,
}

/// Whether a model may be called so, which makes the name of a file.
pub(super) fn is_name(name: &str) -> bool {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain)
}

impl ModelFile {
    /// Fails with `InvalidArguments` if the file is no model, and with `NotFound` if
    /// there is none.
    pub fn open(path: &Path) -> Result<ModelFile, Failure> {
        let unreadable = |error: std::io::Error| {
            let kind = match error.kind() {
                std::io::ErrorKind::NotFound => Kind::NotFound,
                _ => Kind::InvalidArguments,
            };
            Failure::new(kind, format!("cannot read {}: {error}", path.display()))
        };
        let unfit = |what: &str| {
            let message = format!("{} is no model that Mimo can use: {what}", path.display());
            Failure::new(Kind::InvalidArguments, message)
                .hint("make or get one as the guide says under \"Other languages\" in memory.md")
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let mut begin = [0; START_BYTES];
        let mark = file.read_exact(&mut begin);
        if mark.is_err() || !begin.starts_with(MARK) {
            return Err(unfit("it does not begin as one of this version"));
        }
        let length = begin
            .last_chunk()
            .map_or(0, |size| u32::from_le_bytes(*size)) as usize;
        if length > limits::MODEL_HEAD_BYTES_MAX {
            return Err(unfit("its head is too long"));
        }
        let mut text = vec![0; length];
        file.read_exact(&mut text)
            .map_err(|_| unfit("it ends within its head"))?;
        let head: Head =
            serde_json::from_slice(&text).map_err(|error| unfit(&error.to_string()))?;
        let name = &head.name;
        if !is_name(name) {
            return Err(unfit("its name is no plain word"));
        }
        let is_too_large = head.layers > limits::MODEL_LAYERS_MAX
            || head.pieces.max(head.slots) > limits::MODEL_PIECES_MAX
            || head.text_bytes > limits::MODEL_TEXT_BYTES_MAX;
        if is_too_large {
            return Err(unfit("it is too large"));
        }
        let space = format!("{name}/{}", head.sha256.get(..8).unwrap_or_default());
        Ok(ModelFile {
            path: path.to_owned(),
            start: (START_BYTES + length).next_multiple_of(ALIGN),
            space,
            head,
            model: OnceLock::new(),
        })
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    pub(crate) fn into_head(self) -> Head {
        self.head
    }

    /// The ids of all tokens of `text`, without those around it.
    pub fn token_ids(&self, text: &str) -> Result<Vec<u32>, Failure> {
        let tokens = self.model()?.pieces.tokens(text, usize::MAX);
        Ok(tokens.into_iter().map(|token| token.id).collect())
    }

    /// Checks that the file is whole, and that it encodes as its maker's engine does.
    pub fn verify(&self) -> Result<(), Failure> {
        let damaged = |what: &str| {
            let message = format!("{}: {what}", self.path.display());
            Failure::new(Kind::InvalidArguments, message).hint("get the file again")
        };
        let bytes = self.bytes().map_err(|why| damaged(&why))?;
        let found = base16ct::lower::encode_string(&Sha256::digest(bytes));
        if found != self.head.sha256 {
            return Err(damaged("its bytes are not those that its maker wrote"));
        }
        let model = self.model()?;
        for (text, expected) in self.head.reference.iter().zip(&model.reference) {
            let cosine = vector::cosine(&model.embed(text, &model.document), expected);
            if cosine < REFERENCE_COSINE_MIN {
                let what = format!("{text:?} has another vector here (cosine {cosine:.3})");
                return Err(damaged(&what));
            }
        }
        Ok(())
    }

    /// All bytes after the head.
    fn bytes(&self) -> Result<&'static [u8], String> {
        let file = File::open(&self.path).and_then(|file| map(&file));
        let bytes = file.map_err(|error| format!("it cannot be read: {error}"))?;
        bytes
            .get(self.start..)
            .ok_or_else(|| "it ends within its head".to_owned())
    }

    fn load(&self) -> Result<Model, String> {
        self.read(Sections::new(self.bytes()?))
            .ok_or_else(|| "its parts do not fit together".to_owned())
    }

    fn read(&self, mut from: Sections) -> Option<Model> {
        let head = &self.head;
        let slots = from.chunks(head.slots)?;
        let ends = from.chunks(head.pieces)?;
        let scores = from.floats(head.pieces)?;
        let text = from.bytes(head.text_bytes)?;
        let pieces = Pieces::new(slots, ends, scores, text, head.unknown)?;
        let transformer = Transformer {
            words: WordVectors::Nibbles {
                codes: from.chunks(head.pieces)?,
                scales: from
                    .chunks::<2>(head.pieces * WordVectors::BLOCKS)?
                    .as_chunks()
                    .0,
            },
            positions: from.chunks::<4>(WINDOW * WIDTH)?.as_chunks().0,
            smoothing: from.floats(WIDTH)?,
            norm: from.norm()?,
            layers: (0..head.layers)
                .map(|_| from.layer())
                .collect::<Option<_>>()?,
            common: Some(from.floats(WIDTH)?),
        };
        let reference = head.reference.iter();
        let reference = reference
            .map(|_| from.floats(WIDTH))
            .collect::<Option<_>>()?;
        let is_id = |id: u32| (id as usize) < head.pieces;
        let frame = |prefix: &str| {
            let tokens = pieces.tokens(prefix, usize::MAX).into_iter();
            let before = [head.begin].into_iter().chain(tokens.map(|token| token.id));
            let before: Vec<u32> = before.collect();
            (before.len() < WINDOW / 2).then_some(Frame {
                before,
                after: head.end,
            })
        };
        let (document, query) = (frame(&head.document_prefix)?, frame(&head.query_prefix)?);
        (from.is_empty() && is_id(head.begin) && is_id(head.end)).then(|| Model {
            encoder: Encoder::new(Level::best(), transformer),
            document,
            query,
            pieces,
            reference,
        })
    }

    fn model(&self) -> Result<&Model, Failure> {
        let model = self.model.get_or_init(|| self.load()).as_ref();
        model.map_err(|why| {
            let message = format!("the model {} cannot be used: {why}", self.head.name);
            Failure::new(Kind::Unavailable, message)
                .hint("add its file again with mimo model add, or go back: mimo model use built-in")
        })
    }
}

impl Model {
    fn embed(&self, text: &str, frame: &Frame) -> Vec<f32> {
        let tokens = self.pieces.tokens(text, frame.text_tokens());
        self.encoder.query(&tokens, frame)
    }
}

impl Embedder for ModelFile {
    fn model_id(&self) -> &str {
        &self.space
    }

    fn may_be_unavailable(&self) -> bool {
        true
    }

    fn note_weights(&self) -> NoteWeights {
        self.head.note_weights
    }

    fn embed_document(&self, text: &str) -> Result<Vec<Vec<f32>>, Failure> {
        let model = self.model()?;
        let tokens = model.pieces.tokens(text, usize::MAX);
        Ok(model.encoder.document(&tokens, &model.document))
    }

    fn embed_query(&self, text: &str) -> Result<Vec<f32>, Failure> {
        let model = self.model()?;
        Ok(model.embed(text, &model.query))
    }
}
