"""Images on disk: shards, index, codec, and how they are read for training and scoring."""
