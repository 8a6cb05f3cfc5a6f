"""What tools/bench_report is made of: measuring, the page, the roofline picture. Standard library only."""
