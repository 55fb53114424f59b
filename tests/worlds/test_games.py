"""The games and their solvers: Kuhn poker, tic-tac-toe and the negotiation against what is known of them; the adapter of TextArena."""

import random
from collections import Counter
from itertools import permutations

import pytest

from autotelic.errors import DataError, SettingError
from autotelic.worlds import open_world
from autotelic.worlds.games import GAMES, Games, kuhn, negotiation, open_game, random_player, tictactoe
from autotelic.worlds.games.textarena import TextArena

ALWAYS = dict.fromkeys(kuhn.SETS, 1.0)
UNIFORM = dict.fromkeys(kuhn.SETS, 0.5)


def test_kuhn_has_twelve_information_sets_and_five_ends() -> None:
    assert len(kuhn.SETS) == 12 and len(kuhn.DEALS) == 6
    ends = Counter()
    for deal in kuhn.DEALS:
        stack = [""]
        while stack:
            moves = stack.pop()
            if kuhn.over(moves):
                ends[moves] += 1
            else:
                assert deal[len(moves) % 2] + moves in kuhn.SETS
                stack += [moves + "p", moves + "b"]
    assert ends == dict.fromkeys(("pp", "bp", "bb", "pbp", "pbb"), 6)


@pytest.mark.parametrize(
    ("deal", "moves", "won"), [("KQ", "pp", 1), ("JQ", "pp", -1), ("JK", "bp", 1), ("KJ", "pbp", -1), ("QK", "bb", -2), ("QJ", "pbb", 2)]
)
def test_kuhn_pays(deal: str, moves: str, won: int) -> None:
    assert kuhn.chips(deal, moves) == won


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.2, 1 / 3])
def test_the_equilibria_of_kuhn_cannot_be_exploited_and_are_worth_a_loss_of_an_eighteenth(alpha: float) -> None:
    strategy = kuhn.equilibrium(alpha)
    assert kuhn.nashconv(strategy) == pytest.approx(0, abs=1e-12)
    assert kuhn.value(strategy, strategy) == pytest.approx(kuhn.VALUE)
    assert kuhn.best_response(strategy, 0)[0] == pytest.approx(kuhn.VALUE)


def test_no_equilibrium_has_player_0_bet_the_jack_more_than_a_third() -> None:
    assert kuhn.nashconv({**kuhn.equilibrium(0.4), "K": 1.0}) > 0.01


def test_the_best_reply_to_always_betting_by_hand() -> None:
    """Facing a bet that says nothing: the king calls and wins 2, the queen's call is worth 0 against J and K alike, the jack folds and loses 1:
    (2 + 0 - 1) / 3. As player 0 it checks the jack, to fold it, and comes to the same. Together 2/3."""
    second, reply = kuhn.best_response(ALWAYS, 1)
    assert second == pytest.approx(1 / 3)
    assert reply["Kb"] == 1.0 and reply["Jb"] == 0.0
    first, reply = kuhn.best_response(ALWAYS, 0)
    assert first == pytest.approx(1 / 3)
    assert reply["J"] == 0.0 and reply["Jpb"] == 0.0 and reply["Kpb"] == 1.0
    assert kuhn.nashconv(ALWAYS) == pytest.approx(2 / 3)


def test_always_passing_loses_the_pot_to_every_bet() -> None:
    """The best reply bets every card and wins 1 each time, from either seat."""
    assert kuhn.nashconv(dict.fromkeys(kuhn.SETS, 0.0)) == pytest.approx(2)


def test_no_pure_reply_beats_the_best_one() -> None:
    """Against a mixed strategy, all 64 pure strategies of each seat."""
    strategy = {name: random.Random(name).random() for name in kuhn.SETS}
    for seat in range(2):
        own = [name for name in kuhn.SETS if (len(name) - 1) % 2 == seat]
        values = []
        for code in range(2 ** len(own)):
            pure = {name: float(code >> place & 1) for place, name in enumerate(own)}
            values.append(kuhn.value(pure, strategy) if seat == 0 else -kuhn.value(strategy, pure))
        best, reply = kuhn.best_response(strategy, seat)
        assert best == pytest.approx(max(values))
        assert (kuhn.value(reply, strategy) if seat == 0 else -kuhn.value(strategy, reply)) == pytest.approx(best)


def test_uniform_play_is_worth_an_eighth() -> None:
    assert kuhn.value(UNIFORM, UNIFORM) == pytest.approx(1 / 8)


def test_observations_in_kuhn_are_private() -> None:
    game = kuhn.Kuhn()
    game.reset(1)
    game.deal = "JQ"
    assert game.observe(0) == "k0J:"
    assert game.step("p") and game.to_move == 1
    assert game.observe(1) == "k1Qp:"
    assert not game.step("x") and game.to_move == 1
    assert game.step("b")
    assert game.decision() == (("k0J:p", "b:"), ("p", "b"))
    assert game.observe(0) == "b:"
    assert game.step("b") and game.to_move is None
    assert game.rewards() == [-1.0, 1.0] and game.outcome == "called"


@pytest.mark.parametrize("name", list(GAMES))
def test_what_a_player_is_shown_does_not_depend_on_what_is_private_to_the_other(name: str) -> None:
    """Two deals that differ in the other player's part alone look the same, as long as the moves are the same."""
    seen: dict[object, set[str]] = {}
    for seed in range(40):
        game = GAMES[name]()
        game.reset(seed)
        mine = game.private(game.deal, 0)
        text = game.observe(0)
        seen.setdefault(mine, set()).add(text)
    assert all(len(texts) == 1 for texts in seen.values())


@pytest.mark.parametrize("name", list(GAMES))
def test_decisions_are_what_was_observed(name: str) -> None:
    for seed in range(30):
        game, shown = GAMES[name](), {}
        game.reset(seed)
        rng = random.Random(seed)
        while (player := game.to_move) is not None:
            expected = game.decision().turns
            turns = shown.setdefault(player, [])
            turns.append(game.observe(player))
            assert tuple(turns) == expected
            move = random_player(game, rng)
            assert game.step(move)
            turns[-1] += move
        assert all(-1 <= reward <= 1 for reward in game.rewards())
        assert not game.step("p") and not game.step("1"), "nothing is legal any more"


def test_the_same_seed_is_the_same_deal() -> None:
    for name in ("kuhn", "negotiation"):
        deals = []
        for seed in (*range(30), *range(30)):
            game = GAMES[name]()
            game.reset(seed)
            deals.append(game.deal)
        assert deals[:30] == deals[30:] and len(set(deals)) > 4


def test_tictactoe_is_a_draw_and_has_5478_positions() -> None:
    tictactoe.minimax.cache_clear()
    assert tictactoe.minimax(tictactoe.EMPTY) == 0
    assert tictactoe.minimax.cache_info().currsize == 5478
    assert tictactoe.best_moves(tictactoe.EMPTY) == list("123456789")
    assert tictactoe.best_moves(tictactoe.after(tictactoe.EMPTY, "1")) == ["5"], "a corner is answered in the center"


def test_tictactoe_rules() -> None:
    game = tictactoe.TicTacToe()
    game.reset(0)
    for move in "14253":
        assert game.step(move)
    assert game.outcome == "0 won" and game.rewards() == [1.0, -1.0] and game.to_move is None
    game.reset(0)
    assert game.step("5") and not game.step("5") and not game.step("0") and not game.step("12")
    assert all(tictactoe.winner(board) == 1 for board in ("111......", "1...1...1", "..1.1.1..", ".1..1..1."))


@pytest.mark.parametrize("seat", [0, 1])
def test_the_perfect_player_never_loses_and_two_draw(seat: int) -> None:
    for seed in range(60):
        for other in (random_player, tictactoe.perfect_player):
            game, rng = tictactoe.TicTacToe(), random.Random(seed)
            game.reset(seed)
            while (player := game.to_move) is not None:
                assert game.step((tictactoe.perfect_player if player == seat else other)(game, rng))
            assert game.rewards()[seat] >= 0
            if other is tictactoe.perfect_player:
                assert game.outcome == "draw"


def test_negotiation_by_hand() -> None:
    game = negotiation.Negotiation()
    game.reset(0)
    game.deal = ((1, 5), (4, 2))
    assert game.observe(0) == "n015:"
    assert "y" not in game.decision().legal and not game.step("3w1o")
    assert game.step("1w2o") and game.observe(1) == "n1421w2o:"
    assert game.step("2w1o"), "a counteroffer"
    assert game.observe(0) == "2w1o:" and game.decision().legal == ("y", "n")
    assert game.step("y") and game.outcome == "deal"
    assert game.rewards() == [(2 * 1 - 1 * 5) / 9, (1 * 2 - 2 * 4) / 9]
    assert negotiation.gain((1, 5), "1w2o", offers=True) == 9 == negotiation.LARGEST
    assert negotiation.gain((4, 2), "1w2o", offers=False) == 0
    game.reset(0)
    assert game.step("n") and game.step("n") and game.to_move is None
    assert game.rewards() == [0.0, 0.0] and game.outcome == "no deal"


def test_the_best_reply_in_the_negotiation_is_what_enumeration_finds() -> None:
    """Player 1 to whom both goods are worth the same can gain from neither of the fixed opponent's one-for-one offers, so it counters or declines."""
    assert negotiation.fixed((1, 5), ()) == "1w1o" and negotiation.fixed((5, 1), ()) == "1o1w" and negotiation.fixed((3, 3), ()) == "n"
    assert negotiation.fixed((4, 2), ("1w1o",)) == "y" and negotiation.fixed((2, 2), ("1w1o",)) == "n"
    for seat in range(2):
        best = {}
        for moves in negotiation.MET:
            for values in negotiation.VALUES:
                game = negotiation.Negotiation()
                game.deal, game.moves = (values, values), list(moves)
                options = game.decision().legal
                gains = {move: _expected(values, moves, move) for move in options}
                best[values, moves] = {max(options, key=gains.__getitem__): 1.0}
        assert negotiation.expected_gain(best, seat) == pytest.approx(negotiation.best_gain(seat))
    idle = {(values, moves): {"n": 1.0} for moves in negotiation.MET for values in negotiation.VALUES}
    assert negotiation.expected_gain(idle, 0) == negotiation.expected_gain(idle, 1) == 0


def _expected(values: tuple[int, int], moves: tuple[str, ...], move: str) -> float:
    """The gain of one move, summed over those fixed opponents that would have opened so."""
    others = [other for other in negotiation.VALUES if not moves or negotiation.fixed(other, ()) == moves[0]]
    if move == "y":
        return len(others) * negotiation.gain(values, moves[0], offers=False)
    if move == "n":
        return 0
    return sum(negotiation.gain(values, move, offers=True) for other in others if negotiation.fixed(other, (*moves, move)) == "y")


def test_the_world_of_games() -> None:
    world = open_world("games?play=kuhn+tictactoe")
    assert isinstance(world, Games) and world.names == ["kuhn", "tictactoe"]
    train, probe = world.tasks(50, seed=0), world.tasks(20, seed=0, split="probe")
    assert not {task.prompt for task in train} & {task.prompt for task in probe}
    assert {task.tags["game"] for task in train} == {"kuhn", "tictactoe"}
    for task in train:
        assert world.verify(task, world.gold(task)) == 1 and world.verify(task, "x") == world.verify(task, None) == 0
        lesson = world.lesson(task, random.Random(0))
        assert lesson.turns[0][0] in "kt" and lesson.completion in "pb123456789"
        assert set("".join((*lesson.turns, lesson.completion, str(task.prompt)))) <= set(world.alphabet)


def test_mistakes_in_the_name_of_a_game() -> None:
    with pytest.raises(SettingError, match="no game 'kuhm': did you mean 'kuhn'"):
        open_world("games?play=kuhm")
    with pytest.raises(SettingError, match="textarena has no environment 'TicTacTow-v0': did you mean 'TicTacToe-v0"):
        open_world("games?play=textarena:TicTacTow-v0")
    with pytest.raises(DataError, match="not a play"):
        Games().task("kuhn")


def test_textarena_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "textarena.envs.registration", None)
    with pytest.raises(SettingError, match=r"textarena is not installed.*pip install \"autotelic\[envs\]\""):
        open_game("textarena:TicTacToe-v0")


def test_textarena_tictactoe() -> None:
    pytest.importorskip("textarena")
    game = open_game("textarena:TicTacToe-v0")
    assert isinstance(game, TextArena)
    game.reset(5)
    assert game.to_move == 0
    assert game.observe(0).startswith("You are Player 0 in Tic Tac Toe") and game.observe(0) == ""
    assert game.step("[4]") and game.to_move == 1
    assert "Player 0: [4]" in game.observe(1)
    assert not game.step("[4]"), "taken"
    game.reset(5)
    for move in ("[0]", "[3]", "[1]", "[4]", "[2]"):
        assert game.step(move)
    assert game.to_move is None and game.rewards() == [1.0, -1.0] and "won" in game.outcome


def test_textarena_kuhn_deals_by_seed_whatever_else_draws() -> None:
    """Its poker shuffles the global generator between rounds; two plays at once must not see each other, nor the outside the plays."""
    pytest.importorskip("textarena")

    def cards(game: TextArena) -> dict[int, int]:
        return dict(game.inner.state.game_state["player_cards"])

    def play(others: int) -> list[dict[int, int]]:
        games = [TextArena("KuhnPoker-v0") for _ in range(1 + others)]
        for place, game in enumerate(games):
            game.reset(7 + place)
        dealt = [cards(games[0])]
        while games[0].to_move is not None:
            for game in games:
                legal = "[check]" if "check" in game.inner.state.game_state["current_legal_action_tree"] else "[fold]"
                if game.to_move is not None:
                    assert game.step(legal)
            dealt.append(cards(games[0]))
        assert sum(games[0].rewards()) == 0
        return dealt

    random.seed(1)
    before = random.getstate()
    assert play(0) == play(3)
    assert random.getstate() == before


def test_all_deals_of_kuhn_come() -> None:
    deals = set()
    for seed in range(100):
        game = kuhn.Kuhn()
        game.reset(seed)
        deals.add(game.deal)
    assert deals == {"".join(pair) for pair in permutations("JQK", 2)}
