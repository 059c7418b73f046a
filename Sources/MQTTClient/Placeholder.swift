// Grows with the foundation.
