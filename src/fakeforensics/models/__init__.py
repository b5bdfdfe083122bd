"""What every detector is built from: the contract, backbones, the latent network, saving and loading."""
