"""Who decides: the LangGraph state machine, the planners, the guard, the judge and the command line."""
