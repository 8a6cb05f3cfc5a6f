"""What bench/report/run is made of: measuring, the page, the roofline picture. Standard library only."""
