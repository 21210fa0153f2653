"""What Stratos can do: one module or package per typed tool that a planner may call, and the jobs behind them."""
