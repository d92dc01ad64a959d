"""The spectrogram and its inverses, and the distances between sounds."""

import math

import pytest
import torch

from gen_audio import phases, vocoder
from gen_audio.mel import FFT, HOP, RATE, SPREAD, istft, log_mel, log_spectral_distance, stft
from gen_audio.phases import single_pass, sounding
from gen_audio.training import measures
from gen_audio.training.codec import distance
from gen_audio.training.vocoder import log_distance
from gen_audio.vocoder import BINS, PATCH, PATCHES, Block, GriffinLim, Vocoder, VocoderShape


def tone(hertz: float, frames: int = 86) -> torch.Tensor:
    times = torch.arange(frames * HOP) / RATE
    return sum(0.2 / n * torch.sin(2 * math.pi * n * hertz * times) for n in range(1, 6))[None]


def test_the_spectrogram_has_a_frame_per_hop_and_can_be_undone() -> None:
    samples = torch.randn(2, 40 * HOP)
    spectrogram = stft(samples)
    assert spectrogram.shape == (2, FFT // 2 + 1, 40)
    torch.testing.assert_close(istft(spectrogram), samples, atol=1e-5, rtol=1e-4)


def test_a_louder_sound_is_a_shifted_log_mel() -> None:
    samples = torch.randn(1, 20 * HOP)
    difference = log_mel(3 * samples) - log_mel(samples)
    torch.testing.assert_close(difference, torch.full_like(difference, math.log(3) / SPREAD))


def test_silence_has_a_floor() -> None:
    assert torch.isfinite(log_mel(torch.zeros(1, 10 * HOP))).all()


def test_griffin_lim_keeps_the_pitch() -> None:
    made = GriffinLim().sound(log_mel(tone(330)))
    assert made.shape == (1, 86 * HOP)
    assert abs(1200 * math.log2(measures.pitch(made[0]) / 330)) < 40


@pytest.mark.parametrize("loop", [False, True])
def test_what_is_long_is_vocoded_in_pieces(monkeypatch: pytest.MonkeyPatch, loop: bool) -> None:
    torch.manual_seed(0)
    network = Vocoder(VocoderShape(width=16, depth=2, hidden=16)).eval()
    torch.nn.init.normal_(network.head.weight, std=0.1)
    mel = torch.randn(1, 80, 50)
    given: list[torch.Tensor] = []
    monkeypatch.setattr(vocoder, "sounding", lambda magnitudes, *rest: magnitudes)
    network.register_forward_pre_hook(lambda module, inputs: given.append(inputs[0]))
    with torch.no_grad():
        whole = network.sound(mel, loop)
        monkeypatch.setattr(vocoder, "PIECE", 16)
        torch.testing.assert_close(network.sound(mel, loop), whole)
    assert [piece.shape[2] - 2 * network.shape.margin for piece in given] == [50, 16, 16, 16, 2]


def test_log_spectral_distance_is_that_of_the_gain() -> None:
    samples = torch.randn(2, 20 * HOP, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(log_spectral_distance(samples, samples), torch.zeros(2))
    # The few magnitudes at the floor count as equal.
    halved = log_spectral_distance(samples, samples * 0.5)
    torch.testing.assert_close(halved, torch.full((2,), 6.0206), atol=0.01, rtol=0)


def test_the_spectrogram_of_a_loop_goes_around() -> None:
    samples = torch.randn(2, 40 * HOP)
    spectrogram = stft(samples, loop=True)
    torch.testing.assert_close(istft(spectrogram, loop=True), samples, atol=1e-5, rtol=1e-4)
    turned = stft(samples.roll(7 * HOP, 1), loop=True)
    torch.testing.assert_close(turned, spectrogram.roll(7, 2), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("frames", [2, 3, 5, 40])
def test_sounds_of_all_lengths_can_be_undone(frames: int, loop: bool) -> None:
    samples = torch.randn(2, frames * HOP, generator=torch.Generator().manual_seed(frames))
    torch.testing.assert_close(istft(stft(samples, loop), loop), samples, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("hertz", [200.0, 1234.5])
def test_a_partial_goes_on_at_its_own_frequency(hertz: float) -> None:
    magnitudes = stft(tone(hertz)).abs()
    phases = single_pass(magnitudes)
    bin_of_it = round(hertz * FFT / RATE)
    advance = (phases[0, bin_of_it, 20:60].diff() / (2 * math.pi)).remainder(1)
    expected = hertz * HOP / RATE % 1
    # The parabola is off by a few hundredths of a bin.
    assert (advance - expected).abs().max() < 0.03


def test_phases_are_found_for_magnitudes() -> None:
    samples = tone(330)
    magnitudes = stft(samples).abs()
    made = sounding(magnitudes, 8)
    assert made.shape == samples.shape
    assert abs(1200 * math.log2(measures.pitch(made[0]) / 330)) < 5
    assert float(log_spectral_distance(samples, made)) < float(
        log_spectral_distance(samples, sounding(magnitudes, 0))
    )
    assert float(log_spectral_distance(samples, made)) < 4


def test_rounds_are_accelerated(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = torch.randn(1, 64 * HOP, generator=torch.Generator().manual_seed(0))
    samples = tone(440, 64) + 0.1 * noise
    magnitudes = stft(samples).abs()
    accelerated = log_spectral_distance(samples, sounding(magnitudes, 7))
    monkeypatch.setattr(phases, "MOMENTUM", 0.0)
    monkeypatch.setattr(phases, "RELAXATION", 1.0)
    assert accelerated < log_spectral_distance(samples, sounding(magnitudes, 11))


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("magnitude", [0.0, 1e-30, 1.0, 1e12])
def test_phases_are_found_for_silence_and_for_what_is_loud(magnitude: float, loop: bool) -> None:
    made = sounding(torch.full((1, BINS, 12), magnitude), 4, loop)
    assert torch.isfinite(made).all()
    assert made.abs().max() <= max(magnitude, 1e-15) * FFT


def vocoder_of(shape: VocoderShape) -> Vocoder:
    """A vocoder all of whose weights matter."""
    torch.manual_seed(0)
    network = Vocoder(shape)
    for name, weight in network.named_parameters():
        if name.endswith(("across.weight", "head.weight", "stem.weight", "bias")):
            torch.nn.init.normal_(weight, std=0.1)
    return network


def test_a_token_is_made_of_three_patches_of_five_frames_and_of_their_level() -> None:
    network = vocoder_of(VocoderShape(width=16, depth=1, hidden=16))
    logs = 3 * torch.randn(2, BINS, 7) - 5
    found = network._tokens(logs)
    silence = torch.full((2, PATCHES * PATCH + 2 * PATCH, 11), -9.0)
    silence[:, PATCH : PATCH + BINS, 2:-2] = logs.clamp(min=-9)
    for frame, patch in ((0, 0), (3, 5), (6, PATCHES - 1), (5, 0), (0, PATCHES - 2)):
        near = silence[:, patch * PATCH : (patch + 3) * PATCH, frame : frame + 5].flatten(1)
        level = near.mean(1, keepdim=True)
        expected = network.stem(torch.cat([near - level, level / 4], 1))
        torch.testing.assert_close(found[:, frame, patch], expected, atol=1e-4, rtol=1e-4)


def test_a_block_mixes_a_cross_of_neighbours_and_all_of_a_frame() -> None:
    torch.manual_seed(0)
    block = Block(width=8, hidden=8, reach=2)
    torch.nn.init.normal_(block.across.weight)
    torch.nn.init.zeros_(block.gain)
    x = torch.randn(2, 6, PATCHES, 8)
    h = block.norm(x)
    here, before, after, below, above = block.near
    expected = x + h * here + torch.einsum("pq,bfqc->bfpc", block.across.weight, h)
    expected[:, 2:] += h[:, :-2] * before
    expected[:, :-2] += h[:, 2:] * after
    expected[:, :, 1:] += h[:, :, :-1] * below
    expected[:, :, :-1] += h[:, :, 1:] * above
    torch.testing.assert_close(block(x), expected, atol=1e-4, rtol=1e-4)


def test_what_is_the_same_for_all_channels_of_a_token_does_not_matter() -> None:
    """So ``Block`` may leave out the bias of ``across``."""
    block = Block(width=8, hidden=8, reach=1)
    x = torch.randn(2, 6, PATCHES, 8)
    shift = torch.randn(PATCHES, 1)
    torch.testing.assert_close(block.inner_norm(x + shift), block.inner_norm(x), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(block(x + shift), block(x) + shift, atol=1e-4, rtol=1e-4)


def test_the_vocoder_learns_in_bfloat16_as_in_float32() -> None:
    network = vocoder_of(VocoderShape(width=32, depth=3, hidden=32))
    target = tone(330, 32)
    mel, magnitudes = log_mel(target), stft(target).abs()

    def gradients(fast: bool) -> list[torch.Tensor]:
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            loss = log_distance(magnitudes, network(mel))
        used = [weight for name, weight in network.named_parameters() if not name.endswith("across.bias")]
        return list(torch.autograd.grad(loss, used))

    for fast, exact in zip(gradients(True), gradients(False), strict=True):
        assert (fast - exact).norm() < 0.3 * exact.norm()


def test_gradients_go_through_the_sound_of_silence() -> None:
    from gen_audio import mel as kept

    for cached in (kept._filters, kept._window, kept._weights, kept._unmel):
        cached.cache_clear()
    with torch.inference_mode():
        vocoder_of(VocoderShape(width=16, depth=1, hidden=16)).sound(log_mel(tone(330, 16)))
    network = vocoder_of(VocoderShape(width=16, depth=1, hidden=16))
    mel = log_mel(torch.cat([tone(330, 8), torch.zeros(1, 8 * HOP)], 1)).requires_grad_()
    network.sound(mel).square().sum().backward()
    assert mel.grad is not None
    assert torch.isfinite(mel.grad).all()
    assert mel.grad.abs().max() > 0


def test_the_end_of_a_loop_fits_its_beginning() -> None:
    samples = torch.randn(1, 64 * HOP, generator=torch.Generator().manual_seed(0)) + tone(500, 64)
    magnitudes = stft(samples, loop=True).abs()
    made = stft(sounding(magnitudes, 16, loop=True), loop=True).abs()
    error = (made - magnitudes).norm(dim=1)[0] / magnitudes.norm(dim=1)[0]
    seam = torch.cat([error[:2], error[-2:]]).mean()
    assert seam < 2 * error[8:-8].mean()
    cut = stft(sounding(magnitudes, 16), loop=True).abs()
    worse = (cut - magnitudes).norm(dim=1)[0] / magnitudes.norm(dim=1)[0]
    assert torch.cat([worse[:2], worse[-2:]]).mean() > 1.2 * seam


def test_the_vocoders_loss_is_the_log_spectral_distance() -> None:
    target, other = tone(440, 32), tone(450, 32)
    magnitudes = stft(target).abs()
    assert float(log_distance(magnitudes, magnitudes.log())) < 0.1
    noise = stft(torch.randn(1, 32 * HOP)).abs()
    assert float(log_distance(noise, (0.5 * noise).log())) == pytest.approx(6.02, abs=0.05)
    measured = float(log_spectral_distance(target, other))
    assert float(log_distance(magnitudes, stft(other).abs().log())) == pytest.approx(measured, rel=0.1)


def test_the_codecs_loss_is_an_energy_distance() -> None:
    """Of all levels of noise it prefers the right one, and a sample to the mean."""
    generator = torch.Generator().manual_seed(0)
    target, one, other = torch.randn(3, 32, 80, 64, generator=generator)

    def loss(gain: float) -> float:
        return float(
            distance(target, gain * one) + distance(target, gain * other) - distance(gain * one, gain * other)
        )

    assert loss(1.0) < min(loss(0.0), loss(0.7), loss(1.4))


@pytest.mark.parametrize("hertz", [82.4, 261.63, 880.0, 1567.98])
def test_pitch_within_five_cents(hertz: float) -> None:
    assert abs(1200 * math.log2(measures.pitch(tone(hertz)[0]) / hertz)) < 5


def test_what_has_no_pitch_gets_one_within_the_range() -> None:
    rumble = torch.randn(86 * HOP, generator=torch.Generator().manual_seed(3)).cumsum(0)
    for samples in (rumble, torch.zeros(86 * HOP)):
        assert 55 < measures.pitch(samples) < 2200


def test_cents_leave_octaves_aside() -> None:
    assert measures.cents(440, 69) == pytest.approx(0)
    assert measures.cents(880, 69) == pytest.approx(0)
    assert measures.cents(440 * 2 ** (1 / 24), 57) == pytest.approx(50)


@pytest.mark.parametrize("rate", [2.0, 3.0, 6.0])
def test_onsets_are_counted_per_second(rate: float) -> None:
    times = torch.arange(400 * HOP) / RATE
    clicks = torch.randn(len(times), generator=torch.Generator().manual_seed(0)) * torch.exp(
        -40 * ((times * rate) % 1) / rate
    )
    assert measures.rate_of_onsets(log_mel(clicks[None])[0]) == pytest.approx(rate, rel=0.02)


def test_a_seam_stands_out_where_the_end_does_not_meet_the_beginning() -> None:
    noise = torch.randn(200 * HOP, generator=torch.Generator().manual_seed(0))
    fading = noise * torch.linspace(1, 0, len(noise))
    clicking = noise.cumsum(0)
    assert measures.seam(noise) < 1.5
    assert measures.seam(fading) > 3
    assert measures.seam(clicking - clicking.mean()) > 2
    # Wherever a loop begins, its steps are the same.
    assert measures.seam(fading.roll(100 * HOP)) == pytest.approx(1, abs=0.5)
