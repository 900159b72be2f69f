"""BatchNorm over the clips of all processes, while its statistics are learned (pre-training).

A process that sees a part of a batch would normalise by the statistics of that part, and a run in
two processes would differ from one in a single process. torch has a norm for this on GPUs alone.
"""

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as shared
from jaxtyping import Float
from torch import Tensor, nn


class SharedNorm(nn.BatchNorm3d):
    """BatchNorm3d whose mean and variance in training are those of all processes."""

    def forward(
        self, maps: Float[Tensor, "clips channels t h w"]
    ) -> Float[Tensor, "clips channels t h w"]:
        """Normalise; in training with the whole batch's statistics, which are tracked."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        if not self.training:
            return super().forward(maps)
        over = (0, 2, 3, 4)
        count = maps.new_tensor(float(maps.numel() // maps.shape[1]))
        dist.all_reduce(count)
        mean = shared.all_reduce(maps.sum(dim=over)) / count
        centred = maps - mean[:, None, None, None]
        variance = shared.all_reduce(centred.square().sum(dim=over)) / count
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        return torch.addcmul(self.bias[:, None, None, None], centred, scale[:, None, None, None])


def share_norms(network: nn.Module, device: torch.device) -> None:
    """Make every BatchNorm of a network in several processes normalise over all of them."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if not isinstance(child, nn.BatchNorm3d):
                continue
            if device.type == "cuda":
                setattr(module, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))
                continue
            norm = SharedNorm(child.num_features, eps=child.eps, momentum=child.momentum)
            norm.load_state_dict(child.state_dict())
            norm.train(child.training)
            setattr(module, name, norm.to(device))
