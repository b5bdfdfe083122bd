"""From a raw video or image to aligned face crops; knows neither data sets nor DVC."""
