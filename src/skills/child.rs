//! What the rooms above need of a running child: its pipes, its end and the two
//! signals. How one is made and confined stays with the launcher.

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

use super::logs::Log;
use super::spec::{SkillName, SkillSpec};
use crate::failure::Failure;

/// Makes the children.
pub trait ChildLauncher: Send + Sync {
    /// Starts what `spec` describes.
    fn launch(&self, spec: &SkillSpec) -> BoxFuture<'static, Result<Child, Failure>>;

    /// Where what the next child of `skill` writes to stderr is kept, if
    /// anywhere.
    fn log(&self, _skill: &SkillName) -> Option<Log> {
        None
    }
}

/// A running child. Dropping `control` must leave no process behind.
pub struct Child {
    /// The process, as the operating system numbers it.
    pub pid: u32,
    /// Its stdin.
    pub input: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its stdout.
    pub output: Box<dyn AsyncRead + Send + Unpin>,
    /// Its stderr.
    pub errors: Box<dyn AsyncRead + Send + Unpin>,
    /// Ready once it has ended, with how it did in words ("exit code 1").
    pub exit: BoxFuture<'static, String>,
    /// The signals.
    pub control: Box<dyn ChildControl>,
}

/// Signals to a child and everything it has started.
pub trait ChildControl: Send {
    /// Asks it to end.
    fn terminate(&mut self);
    /// Ends it.
    fn kill(&mut self);
}
