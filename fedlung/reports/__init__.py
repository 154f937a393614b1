"""A prediction as files that people take away: one list of marks, written in every format."""
