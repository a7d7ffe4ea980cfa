//! An encoder whose model is a file made by `install/models/pack.py`: a JSON header,
//! then the sections that `load` reads.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::encoder::{Encoder, WindowTemplate};
use super::mapped::map;
use super::sections::{ALIGN, Sections};
use super::transformer::{Transformer, WIDTH, WINDOW, WordVectors};
use super::unigram::Vocabulary;
use super::{Embedder, NoteWeights};
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::vector::{self, Level};

const MAGIC: &[u8] = b"mimo model 1";
/// The magic bytes, and the length of the header.
const START_BYTES: usize = 16;
/// The least cosine between a reference vector and ours: the reference has 4-bit
/// weights and f32 states, and two engines that agree differ by less.
const REFERENCE_COSINE_MIN: f32 = 0.98;

/// The header of a model file.
#[derive(Debug, Deserialize)]
pub(crate) struct Header {
    pub(crate) name: String,
    /// One line about the model's purpose, for people.
    pub(crate) about: String,
    pub(crate) license: String,
    /// Digest of all bytes after the header.
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
    /// Texts whose document vectors are in the file.
    reference: Vec<String>,
}

/// A model in a file. Only the header is read before the first use.
pub struct ModelFile {
    path: PathBuf,
    header: Header,
    /// The offset of the first section.
    start: usize,
    space: String,
    model: OnceLock<Result<Model, String>>,
}

struct Model {
    vocabulary: Vocabulary,
    encoder: Encoder,
    document: WindowTemplate,
    query: WindowTemplate,
    reference: Vec<Vec<f32>>,
}

/// Whether this is a valid model name: it becomes a file name.
pub(super) fn is_name(name: &str) -> bool {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain)
}

impl ModelFile {
    /// Fails with `InvalidArguments` if the file is not a model, and with `NotFound` if
    /// it does not exist.
    pub fn open(path: &Path) -> Result<ModelFile, Failure> {
        let unreadable = |error: std::io::Error| {
            let kind = match error.kind() {
                std::io::ErrorKind::NotFound => Kind::NotFound,
                _ => Kind::InvalidArguments,
            };
            Failure::new(kind, format!("cannot read {}: {error}", path.display()))
        };
        let unfit = |what: &str| {
            let message = format!(
                "{} is not a model that Mimo can use: {what}",
                path.display()
            );
            Failure::new(Kind::InvalidArguments, message)
                .hint("make or get one as described under \"Other languages\" in memory.md")
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let mut begin = [0; START_BYTES];
        let mark = file.read_exact(&mut begin);
        if mark.is_err() || !begin.starts_with(MAGIC) {
            return Err(unfit("it does not have the format of this version"));
        }
        let length = begin
            .last_chunk()
            .map_or(0, |size| u32::from_le_bytes(*size)) as usize;
        if length > limits::MODEL_HEADER_BYTES_MAX {
            return Err(unfit("its header is too long"));
        }
        let mut text = vec![0; length];
        file.read_exact(&mut text)
            .map_err(|_| unfit("it ends within its header"))?;
        let header: Header =
            serde_json::from_slice(&text).map_err(|error| unfit(&error.to_string()))?;
        let name = &header.name;
        if !is_name(name) {
            return Err(unfit("its name has more than letters, digits, ., _ and -"));
        }
        let is_too_large = header.layers > limits::MODEL_LAYERS_MAX
            || header.pieces.max(header.slots) > limits::MODEL_PIECES_MAX
            || header.text_bytes > limits::MODEL_TEXT_BYTES_MAX;
        if is_too_large {
            return Err(unfit("it is too large"));
        }
        let space = format!("{name}/{}", header.sha256.get(..8).unwrap_or_default());
        Ok(ModelFile {
            path: path.to_owned(),
            start: (START_BYTES + length).next_multiple_of(ALIGN),
            space,
            header,
            model: OnceLock::new(),
        })
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) fn into_header(self) -> Header {
        self.header
    }

    /// The ids of all tokens of `text`, without the special ones of a window.
    pub fn token_ids(&self, text: &str) -> Result<Vec<u32>, Failure> {
        let tokens = self.model()?.vocabulary.tokens(text, usize::MAX);
        Ok(tokens.into_iter().map(|token| token.id).collect())
    }

    /// Checks the digest, and that the vectors of the reference texts are reproduced.
    pub fn verify(&self) -> Result<(), Failure> {
        let damaged = |what: &str| {
            let message = format!("{}: {what}", self.path.display());
            Failure::new(Kind::InvalidArguments, message).hint("download the file again")
        };
        let bytes = self.bytes().map_err(|why| damaged(&why))?;
        let found = base16ct::lower::encode_string(&Sha256::digest(bytes));
        if found != self.header.sha256 {
            return Err(damaged("its bytes do not match its checksum"));
        }
        let model = self.model()?;
        for (text, expected) in self.header.reference.iter().zip(&model.reference) {
            let cosine = vector::cosine(&model.embed(text, &model.document), expected);
            if cosine < REFERENCE_COSINE_MIN {
                let what =
                    format!("{text:?} gets another vector than in the file (cosine {cosine:.3})");
                return Err(damaged(&what));
            }
        }
        Ok(())
    }

    /// All bytes after the header.
    fn bytes(&self) -> Result<&'static [u8], String> {
        let file = File::open(&self.path).and_then(|file| map(&file));
        let bytes = file.map_err(|error| format!("it cannot be read: {error}"))?;
        bytes
            .get(self.start..)
            .ok_or_else(|| "it ends within its header".to_owned())
    }

    fn load(&self) -> Result<Model, String> {
        self.read(Sections::new(self.bytes()?))
            .ok_or_else(|| "its parts are inconsistent".to_owned())
    }

    fn read(&self, mut from: Sections) -> Option<Model> {
        let header = &self.header;
        let slots = from.chunks(header.slots)?;
        let ends = from.chunks(header.pieces)?;
        let scores = from.floats(header.pieces)?;
        let text = from.bytes(header.text_bytes)?;
        let vocabulary = Vocabulary::new(slots, ends, scores, text, header.unknown)?;
        let transformer = Transformer {
            words: WordVectors::Nibbles {
                codes: from.chunks(header.pieces)?,
                scales: from
                    .chunks::<2>(header.pieces * WordVectors::BLOCKS)?
                    .as_chunks()
                    .0,
            },
            positions: from.chunks::<4>(WINDOW * WIDTH)?.as_chunks().0,
            smoothing: from.floats(WIDTH)?,
            norm: from.norm()?,
            layers: (0..header.layers)
                .map(|_| from.layer())
                .collect::<Option<_>>()?,
            common: Some(from.floats(WIDTH)?),
        };
        let reference = header.reference.iter();
        let reference = reference
            .map(|_| from.floats(WIDTH))
            .collect::<Option<_>>()?;
        let is_id = |id: u32| (id as usize) < header.pieces;
        let template = |prefix: &str| {
            let tokens = vocabulary.tokens(prefix, usize::MAX).into_iter();
            let before = [header.begin]
                .into_iter()
                .chain(tokens.map(|token| token.id));
            let before: Vec<u32> = before.collect();
            (before.len() < WINDOW / 2).then_some(WindowTemplate {
                before,
                after: header.end,
            })
        };
        let (document, query) = (
            template(&header.document_prefix)?,
            template(&header.query_prefix)?,
        );
        (from.is_empty() && is_id(header.begin) && is_id(header.end)).then(|| Model {
            encoder: Encoder::new(Level::best(), transformer),
            document,
            query,
            vocabulary,
            reference,
        })
    }

    fn model(&self) -> Result<&Model, Failure> {
        let model = self.model.get_or_init(|| self.load()).as_ref();
        model.map_err(|why| {
            let message = format!("the model {} cannot be used: {why}", self.header.name);
            Failure::new(Kind::Unavailable, message)
                .hint("add its file again with mimo model add, or go back: mimo model use built-in")
        })
    }
}

impl Model {
    fn embed(&self, text: &str, template: &WindowTemplate) -> Vec<f32> {
        let tokens = self.vocabulary.tokens(text, template.text_tokens());
        self.encoder.query(&tokens, template)
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
        self.header.note_weights
    }

    fn embed_document(&self, text: &str) -> Result<Vec<Vec<f32>>, Failure> {
        let model = self.model()?;
        let tokens = model.vocabulary.tokens(text, usize::MAX);
        Ok(model.encoder.document(&tokens, &model.document))
    }

    fn embed_query(&self, text: &str) -> Result<Vec<f32>, Failure> {
        let model = self.model()?;
        Ok(model.embed(text, &model.query))
    }
}
