"""What every process stands on. Knows no document words: files, tags and elements belong to the rooms above."""
