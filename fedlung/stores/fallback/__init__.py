"""Accounts whose home is Supabase, with a local copy that takes over while it is away (see ADR 0017). No Flask."""
