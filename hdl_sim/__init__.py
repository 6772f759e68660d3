"""The only door to the simulators and to the SystemVerilog front end."""
