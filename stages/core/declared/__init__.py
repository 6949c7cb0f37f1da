"""What people declare, as typed objects: params.yaml, source files, arguments of networks, tasks."""
