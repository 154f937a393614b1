"""Records whose home is a Supabase project: the connection, accounts, and a mirror of what runs leave behind."""
