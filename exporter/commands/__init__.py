"""What commands do beyond one package: for the command line and for Python alike."""
