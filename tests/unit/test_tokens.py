import pytest

from orders.domain.tokens import KNOWN, Token, Tokens

CAT = Token("CAT", "cat-mint", 6, 1_000_000_000)
DOG = Token("DOG", "dog-mint", 9, 2_000_000_000)


@pytest.mark.parametrize("name", ["CAT", "cat-mint"])
def test_a_token_is_found_by_symbol_and_by_mint(name: str) -> None:
    assert Tokens([CAT, DOG]).get(name) == CAT


@pytest.mark.parametrize("name", ["", "cat", "COW", "cow-mint"])
def test_an_unknown_name_finds_nothing(name: str) -> None:
    assert Tokens([CAT, DOG]).get(name) is None


def test_a_mint_outranks_a_symbol_of_the_same_name() -> None:
    impostor = Token(CAT.mint, "other-mint", 6, 1)

    assert Tokens([impostor, CAT]).get(CAT.mint) == CAT
    assert Tokens([CAT, impostor]).get(CAT.mint) == CAT


def test_a_mint_is_told_by_its_symbol_or_else_by_itself() -> None:
    tokens = Tokens([CAT])

    assert tokens.symbol("cat-mint") == "CAT"
    assert tokens.symbol("cow-mint") == "cow-mint"


def test_a_registry_lists_each_token_once() -> None:
    assert list(Tokens([CAT, DOG, CAT])) == [CAT, DOG]


@pytest.mark.parametrize("token", KNOWN, ids=lambda token: token.symbol)
def test_every_known_token_has_names_and_a_price_of_its_own(token: Token) -> None:
    tokens = Tokens(KNOWN)

    assert tokens.get(token.symbol) is tokens.get(token.mint) is token
    assert 0 <= token.decimals <= 18
    assert token.usd_nanos > 0


@pytest.mark.parametrize("token", KNOWN, ids=lambda token: token.symbol)
def test_every_known_mint_is_an_address(token: Token) -> None:
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number = 0
    for letter in token.mint:
        number = number * 58 + alphabet.index(letter)

    leading = len(token.mint) - len(token.mint.lstrip("1"))
    assert leading + (number.bit_length() + 7) // 8 == 32  # bytes of a Solana public key
