"""What a fitted estimator stores: builtins and numpy arrays, whatever it works with."""
