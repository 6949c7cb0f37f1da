"""What people declare, as typed objects: params, sources, arguments of networks, tasks."""
