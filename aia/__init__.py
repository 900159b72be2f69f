"""aia: spatio-temporal action detection by Asynchronous Interaction Aggregation."""
