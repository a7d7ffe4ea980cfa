-- Which log belongs to this file: one row, changed by every write. See mark.rs.

CREATE TABLE store_mark (mark BLOB NOT NULL) STRICT;
