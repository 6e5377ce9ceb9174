-- Why a person is asked about an SMS before it leaves, or may still stop it: words of model.Ask with spaces between.

ALTER TABLE sms ADD COLUMN asks TEXT NOT NULL DEFAULT '';
