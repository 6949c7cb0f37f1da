"""How a process behaves; nobody who reads the science needs it."""
