-- When a memory was first recorded, where an edit of its text made created_at
-- later; and the project that an edited memory was in, so that a move can be undone.
ALTER TABLE memory ADD COLUMN recorded_at INTEGER;
ALTER TABLE memory_edit ADD COLUMN project TEXT;
