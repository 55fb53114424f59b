"""The model of a finished run, sent to the Hub of Hugging Face. Nothing is sent but the model folder: no rollouts, no tasks, no settings beyond the card."""

from pathlib import Path

from autotelic.errors import AutotelicError, DataError, SettingError
from autotelic.runs.reading import RunReader

LOGIN = "`hf auth login`, or the environment variable HF_TOKEN, says who you are"


def model_folder(run: RunReader, rejected: bool) -> Path:
    """The model of a run.

    Raises:
        DataError: it has none yet, or its verdict rejected it and nobody asked for that.
    """
    if (run.folder / "model").is_dir():
        return run.folder / "model"
    if not (run.folder / "rejected").is_dir():
        raise DataError(f"{run.folder}: has no model yet; `autotelic resume {run.folder}` goes on to the end")
    if not rejected:
        word = run.verdict.word if run.verdict else "rejected"
        raise DataError(f"{run.folder}: the verdict on its model is {word}; --rejected sends it all the same, with the verdict on its card")
    return run.folder / "rejected"


def push(folder: Path, name: str, private: bool = False, rejected: bool = False) -> str:
    """Send the model of a run to the Hub as the repository `name`, which is made where there is none; returns its address.

    Raises:
        DataError: the run has no model to send.
        SettingError: no repository can be called that.
        AutotelicError: the Hub cannot be reached, or refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled

    run = RunReader.of(folder)
    model, word = model_folder(run, rejected), run.verdict.word if run.verdict else "unknown"
    api = HfApi(library_name="autotelic")
    try:
        api.create_repo(name, private=private, exist_ok=True)
        sent = api.upload_folder(repo_id=name, folder_path=model, commit_message=f"A run of {run.recipe.get('name')}: {word}")
    except HFValidationError as error:
        raise SettingError(f"{name}: cannot be the name of a repository: {first_line(error)}") from error
    except LocalTokenNotFoundError as error:
        raise AutotelicError(f"{name}: not sent: nobody is logged in; {LOGIN}") from error
    except OfflineModeIsEnabled as error:
        raise AutotelicError(f"{name}: not sent: HF_HUB_OFFLINE is set") from error
    except HfHubHTTPError as error:
        refused = error.response is not None and error.response.status_code in (401, 403)
        raise AutotelicError(f"{name}: the Hub refuses: {first_line(error)}" + (f"; {LOGIN}" if refused else "")) from error
    except Exception as error:  # Of the network, in the types of whichever library the Hub's client uses.
        raise AutotelicError(f"{name}: not sent: {first_line(error)}") from error
    return sent.commit_url.partition("/commit/")[0]


def first_line(error: Exception) -> str:
    """What an error says first."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
