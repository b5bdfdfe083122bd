"""What the pipeline costs with many images, protocols and runs, beside an earlier commit."""
