"""A toy: tables of pets, with numbers and kinds in one row."""
