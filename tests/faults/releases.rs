//! Database files of earlier versions.
