"""What is special to the thesis: its printed figures, and the pilot study of chapter 3."""
