//! The README's lines for clients and for the shell, run as they stand there.
