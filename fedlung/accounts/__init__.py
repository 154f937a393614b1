"""Who may come in and do what: passwords, permissions, the rules of accounts, the first start. No Flask."""
