"""A study of strategies: systems with all labels known, rounds of asking, and what they allow to say."""
