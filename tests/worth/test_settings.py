from datetime import date
from pathlib import Path

import pytest
from pydantic import SecretStr

from features.sources import Source
from serving.options import ServiceOptions
from worth.settings import Settings, SettingsError, load_settings

# One value for every setting; a new one has to be added here.
_VALUES = {
    "home": ("elsewhere", Path("elsewhere")),
    "currency": ("CNY", "CNY"),
    "time_zone": ("Asia/Shanghai", "Asia/Shanghai"),
    "horizon_days": ("30", 30),
    "discount_rate": ("0.2", 0.2),
    "tier_policy": ("pareto", "pareto"),
    "tracking_uri": ("http://mlflow:5000", "http://mlflow:5000"),
    "store_url": ("postgresql://h/db", SecretStr("postgresql://h/db")),
    "host": ("0.0.0.0", "0.0.0.0"),
    "port": ("0", 0),
    "sources": ('{"orders": {"path": "o.csv"}}', {"orders": Source(path=Path("o.csv"))}),
    "rates": ('{"USD": {"2026-01-01": 0.92}}', {"USD": {date(2026, 1, 1): 0.92}}),
    "aliases": ('{"path": "a.csv"}', Source(path=Path("a.csv"))),
    "service": ('{"rate_limit": 7}', ServiceOptions(rate_limit=7)),
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _refusal(text: str | None = None, **overrides: object) -> str:
    if text is not None:
        Path("worth.toml").write_text(text)
    with pytest.raises(SettingsError) as error:
        load_settings(**overrides)
    return str(error.value)


class TestRefusals:
    def test_a_missing_file(self) -> None:
        with pytest.raises(SettingsError, match=r"There is no file other\.toml\. Check --config"):
            load_settings(Path("other.toml"))

    def test_a_folder(self) -> None:
        with pytest.raises(SettingsError, match="There is no file"):
            load_settings(Path())

    def test_what_is_no_toml(self) -> None:
        assert _refusal("currency = EUR").startswith("worth.toml is not TOML: Invalid value (at ")

    def test_what_is_no_text(self) -> None:
        Path("worth.toml").write_bytes(b"\xff\xfe")
        assert _refusal().startswith("worth.toml is not TOML: 'utf-8' codec")

    def test_an_unknown_key_says_which_was_meant(self) -> None:
        assert _refusal('curency = "EUR"') == (
            "Unknown key 'curency' in worth.toml. Did you mean 'currency'?"
        )

    def test_an_unknown_key_like_none_lists_them(self) -> None:
        sentence = _refusal("colour = 1")
        assert all(name in sentence for name in Settings.model_fields)

    def test_an_unknown_key_of_a_source(self) -> None:
        assert _refusal('[sources.orders]\npth = "o.csv"') == (
            "Unknown key 'sources.orders.pth' in worth.toml. Did you mean 'path'?"
        )

    @pytest.mark.parametrize(
        ("text", "key", "expected", "got"),
        [
            ("horizon_days = 0", "horizon_days", "greater than or equal to 1", "Got 0"),
            ('horizon_days = "soon"', "horizon_days", "a valid integer", "Got 'soon'"),
            ("discount_rate = -0.1", "discount_rate", "greater than or equal to 0", "Got -0.1"),
            ("discount_rate = nan", "discount_rate", "a finite number", "Got nan"),
            ('currency = "euro"', "currency", "^[A-Z]{3}$", "Got 'euro'"),
            ('time_zone = "Mars"', "time_zone", "named like Europe/London", "Got 'Mars'"),
            ('tier_policy = "best"', "tier_policy", "'predicted' or 'pareto'", "Got 'best'"),
            ("port = 65536", "port", "less than or equal to 65535", "Got 65536"),
            ('sources = "o.csv"', "sources", "a valid dictionary", "Got 'o.csv'"),
            (
                '[sources.x]\ntable = "orders"',
                "sources.x.table",
                "a source fills one of order_lines",
                "Got 'orders'",
            ),
            (
                '[sources.x]\ndecimal = ";"',
                "sources.x.decimal",
                "must be '.' or ','",
                "Got ';'",
            ),
            ("[rates.usd]\n2026-01-01 = 1", "rates.usd", "^[A-Z]{3}$", "Got 'usd'"),
            ("[rates.USD]\nsoon = 1", "rates.USD.soon", "a valid date", "Got 'soon'"),
            ("[rates.USD]\n2026-01-01 = 0", "rates.USD.2026-01-01", "greater than 0", "Got 0"),
            ("[rates.USD]\n2026-01-01 = inf", "rates.USD.2026-01-01", "a finite", "Got inf"),
        ],
    )
    def test_a_wrong_value_is_named_with_its_key_and_rule(
        self, text: str, key: str, expected: str, got: str
    ) -> None:
        sentence = _refusal(text)

        assert sentence.startswith(f"The setting '{key}' in worth.toml is wrong: ")
        assert expected in sentence
        assert sentence.endswith(f"{got} instead.")

    def test_a_rate_of_the_companys_own_currency(self) -> None:
        assert _refusal('currency = "USD"\n[rates.USD]\n2026-01-01 = 1') == (
            "The settings contradict each other: [rates.USD] is of the company's own currency, "
            "which needs no rate."
        )

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ('attributes = ["Income"]', "attributes are of customers; this source fills order_l"),
            ("satisfaction_scale = [1, 1]", "two different ends, such as [1, 5]."),
            ('columns = { channel = "a" }\nconstants = { channel = "b" }', "channel has a column"),
        ],
    )
    def test_a_source_that_contradicts_itself(self, text: str, words: str) -> None:
        assert words in _refusal(f"[sources.x]\n{text}")

    def test_a_wrong_value_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WORTH_HORIZON_DAYS", "soon")
        assert "in the environment variable WORTH_HORIZON_DAYS is wrong" in _refusal()

    def test_a_wrong_value_of_the_command_line(self) -> None:
        assert "in the command line is wrong" in _refusal(horizon_days=9999)

    def test_a_misspelt_variable_says_which_was_meant(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WORTH_CURENCY", "EUR")
        assert _refusal() == (
            "The environment variable WORTH_CURENCY is not known. Did you mean WORTH_CURRENCY?"
        )

    @pytest.mark.parametrize("variable", ["WORTH_SOURCES", "WORTH_SOURCES__X__COLUMNS"])
    def test_a_table_that_is_no_json(self, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
        monkeypatch.setenv(variable, "o.csv")
        assert "WORTH_SOURCES" in _refusal()

    @pytest.mark.parametrize(
        "source",
        ['url = "postgresql://u:secret@h/db"', 'path = "x"\nurl = "postgresql://u:secret@h/db"'],
    )
    def test_no_message_shows_a_password(self, source: str) -> None:
        assert "secret" not in _refusal(f"[sources.x]\n{source}")


class TestSettings:
    def test_there_are_defaults(self) -> None:
        settings = load_settings()
        assert (settings.home, settings.currency) == (Path("worth-data"), "XXX")

    @pytest.mark.parametrize("name", Settings.model_fields)
    def test_the_environment_goes_before_the_file(
        self, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        Path("worth.toml").write_text('currency = "EUR"\nport = 1\n')
        text, value = _VALUES[name]
        monkeypatch.setenv(f"WORTH_{name.upper()}", text)

        assert getattr(load_settings(), name) == value

    def test_the_command_line_goes_before_the_environment(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WORTH_PORT", "1")
        assert load_settings(port=2).port == 2

    def test_one_key_of_a_source_can_be_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        Path("worth.toml").write_text('[sources.x]\npath = "o.csv"\ndecimal = ","\n')
        monkeypatch.setenv("WORTH_SOURCES__X__PATH", "other.csv")

        (source,) = load_settings().sources.values()
        assert (source.path, source.decimal) == (Path("other.csv"), ",")

    def test_others_variables_are_let_be(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WORTH_COUNTY_TAX_OFFICE", "1")
        load_settings()

    def test_a_source_fills_the_table_of_its_name(self) -> None:
        Path("worth.toml").write_text('[sources.customers]\npath = "c.csv"\n')
        assert load_settings().sources["customers"].table == "customers"

    def test_paths_of_the_file_are_beside_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        Path("conf").mkdir()
        file = Path("conf/worth.toml")
        file.write_text(
            'home = "state"\naliases = { path = "alias.csv" }\n'
            '[sources.a]\npath = "a.csv"\n[sources.b]\npath = "/data/b.csv"\n'
        )

        settings = load_settings(file)
        assert settings.home == Path("conf/state")
        assert settings.aliases == Source(path=Path("conf/alias.csv"))
        assert [s.path for s in settings.sources.values()] == [
            Path("conf/a.csv"),
            Path("/data/b.csv"),
        ]

        monkeypatch.setenv("WORTH_HOME", "state")
        monkeypatch.setenv("WORTH_SOURCES__A__PATH", "a.csv")
        settings = load_settings(file)
        assert (settings.home, settings.sources["a"].path) == (Path("state"), Path("a.csv"))

    @pytest.mark.parametrize(
        ("given", "placed"),
        [("keys.json", "conf/keys.json"), ("/etc/worth/keys.json", "/etc/worth/keys.json")],
    )
    def test_an_issuers_keys_are_beside_the_file(
        self, given: str, placed: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Path("conf").mkdir()
        file = Path("conf/worth.toml")
        issuer = 'issuer = "https://id.example"\naudience = "worth"'
        file.write_text(f'[service.issuer]\n{issuer}\njwks_path = "{given}"\n')

        found = load_settings(file).service.issuer
        assert found is not None
        assert (found.jwks_path, found.audience) == (Path(placed), "worth")

        monkeypatch.setenv("WORTH_SERVICE__ISSUER__JWKS_PATH", "keys.json")
        found = load_settings(file).service.issuer
        assert found is not None
        assert found.jwks_path == Path("keys.json")
