"""One command per stage of the pipeline in dvc.yaml."""
