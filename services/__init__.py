"""The processes of ArtStore, one package each, and what they share: the words (`model`) and the ground (`chassis`)."""
