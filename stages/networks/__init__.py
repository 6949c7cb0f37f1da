"""Networks: a file each, under the name that `model.network` of params.yaml gives."""
