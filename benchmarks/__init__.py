"""What Steadycast costs, printed as tables and ratios; run by hand, never as tests. No part of the product."""
