"""HTTP: sessions, authentication, connections and responses. What a registry stores is not known here."""
