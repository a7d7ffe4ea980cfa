//! Imports lines in batches. A memory that is imported twice is recognized.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::foreign;
use super::{ExportLine, FORMAT, Header, VERSION};
use crate::caller::{PROJECT_SHARED, Reach};
use crate::failure::{Failure, Kind, json_kind};
use crate::limits;
use crate::memory::Memories;
use crate::memory::rules::import::{self, ImportOutcome, ImportRecord};
use crate::store::memory::MemoryId;
use crate::text;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub created: usize,
    /// Memories that added something to one of equal text.
    pub merged: usize,
    /// Memories that were stored already.
    pub known: usize,
}

impl Counts {
    pub(crate) fn all(self) -> usize {
        self.created + self.merged + self.known
    }
}

/// A memory to be imported, with the file's id of the one that it replaced.
pub(super) struct Incoming {
    pub(crate) record: ImportRecord<String>,
    pub(crate) supersedes: Option<MemoryId>,
}

/// Reads documents into memories, and maps the file's ids to stored ones.
#[derive(Default)]
pub struct Importer {
    /// The project of memories that name none.
    project: String,
    /// The projects that the import may read and write.
    reach: Reach,
    waiting: Vec<Incoming>,
    /// Bytes of the texts that wait.
    bytes: usize,
    /// Maps ids of the file to ids of this store.
    ids: HashMap<MemoryId, MemoryId>,
    /// Stored ids, each with the file's id of the memory it replaced, which is still to
    /// come.
    links: Vec<(MemoryId, MemoryId)>,
    /// The number of memories that the header announces.
    pub(crate) named: Option<u64>,
    pub counts: Counts,
    /// Memories that had more tags than fit.
    pub(crate) cut_tags: usize,
    /// The number of memories read for each project that a default search does not
    /// cover.
    pub(crate) others: BTreeMap<String, usize>,
}

impl Importer {
    /// An importer that puts memories without a project into `project`.
    pub fn new(project: &str) -> Importer {
        Importer {
            project: project.to_owned(),
            ..Importer::default()
        }
    }

    /// Limits the import to a caller's reach.
    pub(crate) fn within(self, reach: Reach) -> Importer {
        Importer { reach, ..self }
    }

    /// Reads a whole document: a line or file of Mimo or of another program. Fails at
    /// the first part that cannot be read.
    pub fn take(&mut self, document: &Value) -> Result<(), Failure> {
        let mut left_out = foreign::SkippedFields::new();
        for item in foreign::expand(document.clone(), &mut left_out) {
            let taken = item.document.and_then(|document| self.take_one(&document));
            taken.map_err(|failure| failure.below(&item.path))?;
        }
        Ok(())
    }

    /// Reads one document from [`foreign::expand`].
    pub(crate) fn take_one(&mut self, document: &Value) -> Result<(), Failure> {
        if let Some(format) = document.get("format") {
            return self.header(format, document);
        }
        let object = document.as_object();
        if object.is_some_and(|object| foreign::is_entity(object) || foreign::is_relation(object)) {
            // These belong to the graph.
            return Ok(());
        }
        let why = match document {
            Value::Object(object) if object.contains_key("content") => None,
            Value::Object(_) => Some("it has no content".to_owned()),
            other => Some(format!("it is {}", json_kind(other))),
        };
        let line = ExportLine::deserialize(document).map_err(|error| {
            // The list of all fields that may follow says nothing about this one.
            let error = error.to_string();
            let error = error.split(", expected one of").next().unwrap_or(&error);
            let why = why.as_deref().unwrap_or(error);
            Failure::invalid("", format!("this is not a memory: {why}")).hint(
                "lines of `mimo export`, and the files of server-memory, mcp-memory-service, \
                 basic-memory, claude-mem and mem0 can be read",
            )
        })?;
        let supersedes = line.supersedes;
        let (record, is_cut) = line.read(&self.project)?;
        if record.fields.project != self.project && record.fields.project != PROJECT_SHARED {
            let others = self.others.entry(record.fields.project.clone());
            *others.or_default() += 1;
        }
        self.cut_tags += usize::from(is_cut);
        self.wait(record, supersedes);
        Ok(())
    }

    fn header(&mut self, format: &Value, document: &Value) -> Result<(), Failure> {
        if format != FORMAT {
            let why = format!("the format {format} is not known");
            return Err(Failure::invalid("/format", why)
                .hint("for the graph, there is `mimo graph import`"));
        }
        let header = Header::deserialize(document)
            .map_err(|error| Failure::invalid("", format!("this is not a header: {error}")))?;
        if header.version > VERSION {
            let why = format!(
                "the file was written by a newer Mimo (version {} of the format, this one knows \
                 {VERSION})",
                header.version
            );
            let failure = Failure::new(Kind::Unavailable, why);
            return Err(failure.hint("update Mimo, then import again"));
        }
        // Concatenated files have a header each.
        self.named = Some(self.named.unwrap_or(0) + header.memories);
        Ok(())
    }

    fn wait(&mut self, record: ImportRecord<String>, supersedes: Option<MemoryId>) {
        self.bytes += record.text.len();
        self.waiting.push(Incoming { record, supersedes });
    }

    /// Drops what has been read but not stored.
    pub(crate) fn forget_waiting(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
    }

    /// Whether a full batch is waiting.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= limits::PORTION_MEMORIES_MAX
            || self.bytes >= limits::PORTION_BYTES_MAX
    }

    /// Takes the next memories that are stored in one transaction.
    fn portion(&mut self) -> Vec<Incoming> {
        let mut bytes = 0;
        let is_within_bounds = |incoming: &&Incoming| {
            bytes += incoming.record.text.len();
            bytes <= limits::PORTION_BYTES_MAX
        };
        let most = self.waiting.iter().take(limits::PORTION_MEMORIES_MAX);
        let count = most.take_while(is_within_bounds).count().max(1);
        let portion = self
            .waiting
            .drain(..count.min(self.waiting.len()))
            .collect();
        self.bytes = self.waiting.iter().map(|each| each.record.text.len()).sum();
        portion
    }
}

impl Memories {
    /// Stores everything that `importer` has read, a portion in a transaction;
    /// `report` gets how many memories are done so far, and may end it there.
    pub async fn import(
        &self,
        importer: &mut Importer,
        report: impl Fn(usize) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        while !importer.waiting.is_empty() {
            let portion = importer.portion();
            self.import_portion(importer, portion).await?;
            if report(importer.counts.all()).is_break() {
                break;
            }
        }
        Ok(())
    }

    async fn import_portion(
        &self,
        importer: &mut Importer,
        portion: Vec<Incoming>,
    ) -> Result<(), Failure> {
        let identity = |incoming: &Incoming| {
            let record = &incoming.record;
            record.identity(text::key(&record.text))
        };
        let reach = importer.reach.clone();
        let identities = portion.iter().map(identity).collect();
        let known = self.store.identify(&reach, identities).await?;
        // Only new memories have to be encoded.
        let mut files = Vec::with_capacity(portion.len());
        let (mut new, mut texts) = (Vec::new(), Vec::new());
        for (incoming, id) in portion.into_iter().zip(known) {
            let (record, supersedes) = (incoming.record, incoming.supersedes);
            files.push((record.id, supersedes, id));
            if id.is_none() {
                texts.push(record.text.clone());
                new.push(record);
            }
        }
        let never = CancellationToken::new();
        let texts = self.encoding.documents(texts, &never, |_, _| ()).await?;
        let new = new.into_iter().zip(texts);
        let new: Vec<ImportRecord> = new.map(|(new, text)| new.with_text(text)).collect();
        let (model, at) = (self.model(), self.clock.now());
        let mut imported = match new.is_empty() {
            true => Vec::new(),
            false => import::import(&*self.store, &reach, model, new, at).await?,
        }
        .into_iter();
        for (file_id, supersedes, known) in files {
            let came = known
                .map(|id| (id, ImportOutcome::Known))
                .or_else(|| imported.next());
            let Some((id, outcome)) = came else {
                continue;
            };
            match outcome {
                ImportOutcome::Created => importer.counts.created += 1,
                ImportOutcome::Merged => importer.counts.merged += 1,
                ImportOutcome::Known => importer.counts.known += 1,
            }
            importer.ids.extend(file_id.map(|file_id| (file_id, id)));
            importer.links.extend(supersedes.map(|older| (id, older)));
        }
        self.link(importer).await
    }

    /// Links versions if both are stored. Memories that were stored already are linked
    /// again, because an earlier import may have been interrupted before this step.
    async fn link(&self, importer: &mut Importer) -> Result<(), Failure> {
        let ids = &importer.ids;
        let mut links = Vec::new();
        importer
            .links
            .retain(|(newer, older)| match ids.get(older) {
                Some(older) => {
                    links.push((*newer, *older));
                    false
                }
                None => true,
            });
        if !links.is_empty() {
            let model = self.model();
            import::link(&*self.store, &importer.reach, model, links).await?;
        }
        Ok(())
    }
}
