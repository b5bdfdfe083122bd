"""Code that only the thesis needs: its printed results, and the pilot study of chapter 3."""
