//! The installer of systems without a sandbox, in which nothing is installed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::spec::Package;
use crate::failure::{Failure, Kind};

pub(crate) const PACKAGES: &str = "packages";

pub(crate) type Progress = Arc<dyn Fn(String) + Send + Sync>;

pub(crate) struct Installer;

pub(crate) struct Installed {
    pub(crate) version: String,
    pub(crate) notes: Vec<String>,
}

impl Installer {
    pub(crate) fn new(
        _executable: PathBuf,
        _strict: bool,
        _folder: PathBuf,
        _home: Option<PathBuf>,
    ) -> Installer {
        Installer
    }

    pub(crate) fn installed(&self, _package: &Package) -> Option<Installed> {
        None
    }

    pub(crate) async fn version_of(&self, _program: &Path, _read: &[PathBuf]) -> Option<String> {
        None
    }

    pub(crate) async fn ensure(
        &self,
        _package: &Package,
        _progress: &Progress,
    ) -> Result<Installed, Failure> {
        Err(Failure::new(
            Kind::Unavailable,
            "packages are installed in Mimo's sandbox, which Linux and macOS have",
        ))
    }

    pub(crate) async fn update(
        &self,
        package: &Package,
        progress: &Progress,
    ) -> Result<Installed, Failure> {
        self.ensure(package, progress).await
    }
}
