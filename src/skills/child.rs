//! A running child as the registry needs it: pipes, end and signals. The launcher
//! knows how one is made and confined.

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

use super::logs::Log;
use super::spec::{SkillName, SkillSpec};
use crate::failure::Failure;

pub trait ChildLauncher: Send + Sync {
    /// Fetches what `spec` needs before it can be launched; not part of a start's
    /// time.
    fn prepare(&self, _spec: &SkillSpec) -> BoxFuture<'static, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn launch(&self, spec: &SkillSpec) -> BoxFuture<'static, Result<Child, Failure>>;

    /// The log for the stderr of the next child of `skill`, if one is kept.
    fn log(&self, _skill: &SkillName) -> Option<Log> {
        None
    }
}

/// A running child. Dropping `control` must leave no process behind.
pub struct Child {
    pub pid: u32,
    /// Its stdin.
    pub input: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its stdout.
    pub output: Box<dyn AsyncRead + Send + Unpin>,
    /// Its stderr.
    pub errors: Box<dyn AsyncRead + Send + Unpin>,
    /// Ready once it has ended; says how ("exit code 1").
    pub exit: BoxFuture<'static, String>,
    pub control: Box<dyn ChildControl>,
}

/// Signals a child and everything that it has started.
pub trait ChildControl: Send {
    /// Asks it to end (SIGTERM).
    fn terminate(&mut self);
    /// Ends it (SIGKILL).
    fn kill(&mut self);
}
