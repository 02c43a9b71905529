"""What `AEAnomalyDetector` is made of."""
