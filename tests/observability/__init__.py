"""What operators see, put to the test on a whole engine and a real Prometheus."""
