//! Markdown files, alone or in folders.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Kind};
use crate::limits;

pub(super) fn is_markdown(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| matches!(extension, "md" | "markdown" | "MD"))
}

pub(super) fn read(file: &Path) -> Result<String, Failure> {
    let name = file.display();
    let bytes = fs::metadata(file).and_then(|found| {
        match found.len() > limits::IMPORT_DOCUMENT_BYTES_MAX as u64 {
            true => Ok(None),
            false => fs::read(file).map(Some),
        }
    });
    match bytes {
        Ok(Some(bytes)) => String::from_utf8(bytes)
            .map_err(|_| Failure::new(Kind::Refused, format!("{name} is not UTF-8"))),
        Ok(None) => {
            let most = limits::IMPORT_DOCUMENT_BYTES_MAX;
            let why = format!("{name} has more than {most} bytes");
            Err(Failure::new(Kind::LimitExceeded, why))
        }
        Err(error) => Err(unreadable(file, &error)),
    }
}

/// The Markdown files below a folder, in the order of their paths; hidden ones and links,
/// which may lead out of it, are left out.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    walk(folder, 0, &mut found)?;
    found.sort();
    match found.is_empty() {
        true => {
            let why = format!("{} holds no Markdown files", folder.display());
            let hint = "name a folder of notes, such as basic-memory's, or a file";
            Err(Failure::new(Kind::NotFound, why).hint(hint))
        }
        false => Ok(found),
    }
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        let (path, kind) = (entry.path(), entry.file_type());
        let kind = kind.map_err(|error| unreadable(&path, &error))?;
        if is_hidden {
            continue;
        }
        if kind.is_dir() && depth < limits::IMPORT_DEPTH_MAX {
            walk(&path, depth + 1, found)?;
        } else if is_markdown(&path) && kind.is_file() {
            found.push(path);
        }
        if found.len() > limits::IMPORT_FILES_MAX {
            let most = limits::IMPORT_FILES_MAX;
            let why = format!("the folder holds more than {most} notes");
            let hint = "import its folders one by one";
            return Err(Failure::new(Kind::LimitExceeded, why).hint(hint));
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Kind::NotFound,
        format!("{} cannot be read: {error}", path.display()),
    )
}
