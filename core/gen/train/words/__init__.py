"""How the table of word vectors (``gen.words``) is made from WordNet, CLDR and a sentence model."""
