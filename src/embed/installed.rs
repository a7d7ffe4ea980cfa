//! The folder of installed models. Each file is named after its model.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::ModelFile;
use super::model_file::{Header, is_name};
use crate::failure::{Failure, Kind};
use crate::files::{self, Replacement};
use crate::limits::MODEL_FILE_BYTES_MAX;

const EXTENSION: &str = "model";

pub(crate) struct InstalledModels {
    folder: PathBuf,
}

/// A model in the folder.
pub(crate) struct InstalledModel {
    pub(crate) header: Header,
    pub(crate) bytes: u64,
}

impl InstalledModels {
    pub(crate) fn in_folder(folder: PathBuf) -> InstalledModels {
        InstalledModels { folder }
    }

    fn path(&self, name: &str) -> Result<PathBuf, Failure> {
        match is_name(name) {
            true => Ok(self.folder.join(format!("{name}.{EXTENSION}"))),
            false => Err(missing(name)),
        }
    }

    /// Copies a model file into the existing folder if it is complete and reproduces
    /// its reference vectors. Replaces a model of the same name.
    pub(crate) fn add(&self, file: &Path) -> Result<InstalledModel, Failure> {
        let model = ModelFile::open(file)?;
        let path = self.path(&model.header().name)?;
        let unwritten = |error: io::Error| {
            let message = format!("cannot write {}: {error}", path.display());
            Failure::new(Kind::Unavailable, message)
                .hint("check that your account may write there, and the disk's free space")
        };
        let mut new = Replacement::begin(&path).map_err(unwritten)?;
        let unread = |error: io::Error| {
            Failure::invalid("", format!("cannot read {}: {error}", file.display()))
        };
        let mut from = File::open(file)
            .map_err(unread)?
            .take(MODEL_FILE_BYTES_MAX + 1);
        let bytes = io::copy(&mut from, &mut new).map_err(unwritten)?;
        if bytes > MODEL_FILE_BYTES_MAX {
            let message = format!("{} is too large for a model", file.display());
            return Err(Failure::new(Kind::LimitExceeded, message));
        }
        new.flush().map_err(unwritten)?;
        // Verifies the copy, which nobody else can change.
        ModelFile::open(new.temporary())?.verify().map_err(|why| {
            let hint = why.hint.unwrap_or_default();
            Failure::new(
                why.kind,
                format!("{} was not added: {}", file.display(), why.message),
            )
            .hint(hint)
        })?;
        new.commit().map_err(unwritten)?;
        Ok(InstalledModel {
            header: model.into_header(),
            bytes,
        })
    }

    /// All models by name, and the errors of files that are not valid.
    pub(crate) fn list(&self) -> Result<(Vec<InstalledModel>, Vec<Failure>), Failure> {
        let (mut models, mut failures) = (Vec::new(), Vec::new());
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((models, failures)),
            read => read.map_err(Failure::internal)?,
        };
        for entry in entries {
            let path = entry.map_err(Failure::internal)?.path();
            if path.extension().is_none_or(|ending| ending != EXTENSION) {
                continue;
            }
            let bytes = path.metadata().map_or(0, |of| of.len());
            match ModelFile::open(&path) {
                Ok(model) => models.push(InstalledModel {
                    header: model.into_header(),
                    bytes,
                }),
                Err(failure) => failures.push(failure),
            }
        }
        models.sort_by(|a, b| a.header.name.cmp(&b.header.name));
        Ok((models, failures))
    }

    /// Fails with `NotFound` if there is no such model.
    pub(crate) fn open(&self, name: &str) -> Result<ModelFile, Failure> {
        let path = self.path(name)?;
        match ModelFile::open(&path) {
            Err(failure) if failure.kind == Kind::NotFound => Err(missing(name)),
            opened => opened,
        }
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), Failure> {
        let path = self.path(name)?;
        match fs::remove_file(&path).and_then(|()| files::sync_folder_of(&path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing(name)),
            removed => removed.map_err(|error| {
                let message = format!("cannot remove {}: {error}", path.display());
                Failure::new(Kind::Unavailable, message)
            }),
        }
    }
}

fn missing(name: &str) -> Failure {
    Failure::new(Kind::NotFound, format!("no model {name} is installed")).hint(
        "mimo model list shows the installed ones; mimo model add FILE installs one, and mimo model use built-in goes back",
    )
}
